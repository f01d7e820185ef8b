"""How many bits a net's own prediction loses without a stream, and what is said of it."""
