"""The ways to tell a report: text for people, Markdown for a pull request, JSON, SARIF."""
