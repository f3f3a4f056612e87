"""Something to try Earwitness on: a telephone call and a tabletop scene, both ready to run."""
