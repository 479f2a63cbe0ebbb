"""What is read from a service's files, each parsed once. Facts are plain values: no rule is here."""
