-- The service took one on (an edit whose stream began).  {now, kind, limits}
grow_limit(arg.kind)
return 1
