"""What calls of paid services cost, what may be spent on them, and what was."""
