"""A bundle's transcript in the formats of other tools: subtitles, annotation, audio editing, scoring."""
