"""SGDM against SGD over the momentum index and under schedules."""
