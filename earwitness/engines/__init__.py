"""How engines are chosen, imported and supervised."""
