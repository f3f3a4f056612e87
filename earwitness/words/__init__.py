"""Words with times and speakers, the cast, and the text formats."""
