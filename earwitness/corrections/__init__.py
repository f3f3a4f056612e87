"""What people put right, and carrying it forward: names, voices that are one person, words."""
