"""Looking after the house: what maintenance may do, and how long runs of other machines have been silent."""
