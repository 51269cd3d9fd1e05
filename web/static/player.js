// Several sides of one clip (before, after, versions) in one place; the one that comes on takes over at the
// same second. Shared by the page and the report.
"use strict";

function addSwitch(player, sides, chosen) {
  const media = new Map();
  const group = document.createElement("div");
  group.className = "switch";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Which version to play");
  const buttons = sides.map(([word], index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = word;
    button.addEventListener("click", () => change(index));
    group.append(button);
    return button;
  });
  const first = player.querySelector("video, audio");
  media.set(chosen, first);
  let now = chosen;
  mark();
  if (sides.length > 1) player.prepend(group);

  function mark() {
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === now)));
  }

  function at(index) {
    if (!media.has(index)) {
      const element = first.cloneNode(false);
      element.src = sides[index][1];
      element.hidden = true;
      player.append(element);
      media.set(index, element);
    }
    return media.get(index);
  }

  function change(index) {
    if (index === now) return;
    const from = at(now), to = at(index);
    const second = from.currentTime, playing = !from.paused;
    from.pause();
    now = index;
    mark();
    for (const element of media.values()) element.hidden = element !== to;
    to.volume = from.volume;
    to.muted = from.muted;
    to.preload = "auto";
    const seek = () => { to.currentTime = second; };
    if (to.readyState > 0) seek();
    else to.addEventListener("loadedmetadata", seek, { once: true });
    if (playing) to.play().catch(() => {});
    else if (to.readyState === 0) to.load();
  }

  return { change, current: () => at(now), index: () => now, count: sides.length };
}
