has(Stages, {value:String})
