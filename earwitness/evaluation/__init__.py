"""How far a bundle is from what people wrote down: scores, with what each is made of."""
