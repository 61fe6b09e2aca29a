"""Model registries: MLflow's client, Fabric's REST, and one set of rules for roles."""
