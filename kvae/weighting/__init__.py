"""The KL weight: what it means, and how other tools' weights convert into it."""
