"""Many recordings: which ones, in which order, and which are finished already."""
