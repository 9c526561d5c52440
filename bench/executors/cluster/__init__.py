"""Jobs on the nodes of a cluster, whichever library schedules them: what travels, what a node does with it, what is awaited."""
