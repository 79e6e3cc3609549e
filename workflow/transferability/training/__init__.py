"""From images and a base's weights to a trained network."""
