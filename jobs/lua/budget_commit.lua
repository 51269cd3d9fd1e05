-- Count what was set aside for a job as spent, or give it back.  {id, paid}
settle_budget(arg.id, arg.paid)
return 1
