"""Products and what they cost together."""
