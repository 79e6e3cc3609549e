"""What a study is: its settings, its networks, its files."""
