"""The studies of Goldfeld et al. (2019): trainings, measurements, figures, claims."""
