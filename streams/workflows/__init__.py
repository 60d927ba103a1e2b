"""The workflows that belong to the product, and what they read."""
