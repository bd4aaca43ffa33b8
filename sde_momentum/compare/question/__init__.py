"""What is compared with what: rule, limit, problem, observables."""
