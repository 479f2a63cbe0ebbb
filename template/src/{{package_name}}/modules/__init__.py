"""The business domains, one package each. A package here is discovered: nothing registers it."""
