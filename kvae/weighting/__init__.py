"""Ways of setting the KL weight over time, and how other tools' weights convert into ours."""
