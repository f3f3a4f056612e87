"""The data contracts: one Great Expectations suite a stage boundary.

`recording`, `turns`, `words`, `notes` and `clips` each build a table from a stage's result (`frame`) and say what must
hold of it (`suite`); `expectations.check` does the checking. `suites/*.json` are the same suites as Great Expectations
writes them, for people who use it elsewhere (import `expectations.rules` first: it registers our own rules).
"""
