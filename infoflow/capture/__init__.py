"""From a layer graph and a loader to the statistics that estimators ask for."""
