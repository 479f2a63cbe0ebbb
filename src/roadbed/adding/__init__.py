"""What a service gets on its second day: another resource, another version of its API.

Everything is rendered or derived elsewhere and checked before the first file is written; nothing that
stands is edited, but for a setting that is asked for.
"""
