"""Looking over what was made before it is handed out: sound, films, captions, texts, tables, pages.

Checks are pure: they read files, change nothing, and return findings. A bad file is found, never an exception.
"""
