document.documentElement.classList.add("scripted");
addGroups();
addTools();
watchTables();
showGroup(Math.min(state.group, Math.max(0, pageData.groups.length - 1)));
restorePlace();
dark.addEventListener("change", drawAgain);
if (document.body.dataset.refresh) startRefreshing(Number(document.body.dataset.refresh));
