"""Sound: reading, measuring, cleaning, levelling. The only place that runs ffmpeg."""
