"""Moments worth posting: choosing, cutting, captioning."""
