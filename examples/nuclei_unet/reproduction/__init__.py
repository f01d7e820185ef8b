"""The paper's study, stage by stage: data, train, measure, figures, claims."""
