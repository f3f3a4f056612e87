"""How people talk: who holds the floor for how long, who interrupts whom, how voices sound."""
