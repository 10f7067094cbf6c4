// Drop-downs for data set, model, budget and settings choose which trials the figures show.
let groupNow = 0;

function showGroup(number) {
  groupNow = number;
  state.group = pageData.groups[number]?.label;
  for (const block of document.querySelectorAll("[data-group]")) {
    block.hidden = Number(block.dataset.group) !== number;
  }
  for (const select of document.querySelectorAll("#groups select")) {
    select.value = pageData.groups[number].facets[select.dataset.facet];
  }
  drawAgain();
}

// The group that has the changed facet and most of the others as they are.
function groupWith(facet, value) {
  const now = pageData.groups[groupNow].facets;
  const agreeing = ({ facets }) => Object.keys(now).filter((f) => facets[f] === now[f]).length;
  let best = -1;
  pageData.groups.forEach((group, i) => {
    if (group.facets[facet] !== value) return;
    if (best < 0 || agreeing(group) > agreeing(pageData.groups[best])) best = i;
  });
  return best;
}

function addGroups() {
  const bar = document.getElementById("groups");
  if (!bar) return;
  const facets = Object.keys(pageData.groups[0].facets);
  for (const facet of facets) {
    const values = [...new Set(pageData.groups.map((group) => group.facets[facet]))];
    if (values.length < 2) continue;
    const select = element("select", {}, ...values.map((v) => element("option", { value: v }, v)));
    select.dataset.facet = facet;
    select.addEventListener("change", () => showGroup(groupWith(facet, select.value)));
    bar.append(element("label", {}, `${facet.replaceAll("_", " ")} `, select));
  }
  bar.hidden = false;
  document.documentElement.classList.add("several"); // anchors stop below the bar
}
