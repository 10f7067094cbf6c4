document.documentElement.classList.add("scripted");
addGroups();
addTools();
watchTables();
showGroup(Math.max(0, pageData.groups.findIndex(({ label }) => label === state.group)));
restorePlace();
dark.addEventListener("change", drawAgain);
if (document.body.dataset.refresh) startRefreshing(Number(document.body.dataset.refresh));
