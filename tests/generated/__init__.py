"""What runs inside rendered services: every combination of answers, and the life of two of them."""
