"""From trained networks to effects with intervals."""
