-- The collection as people call it: without the version of its index, where that is a part of the name.
if(IndexVersion != '' AND endsWith(Collection, concat('_', IndexVersion)), substring(Collection, 1, length(Collection) - length(IndexVersion) - 1), toString(Collection))
