"""The self-contained page that shows everything a run found."""
