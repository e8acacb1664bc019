"""What the default rules find, and what they disturb people with: the figures of docs/quality.md."""
