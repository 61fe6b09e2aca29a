"""The job services beside Fabric, as their documentation says they behave."""
