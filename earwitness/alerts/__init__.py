"""Telling people: Slack, Discord, e-mail, signed webhooks. One message for one trouble, and never in a run's way."""
