"""The promises, one file a family. A rule reads facts, and gives evidence for what it says."""
