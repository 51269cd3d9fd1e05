// Without this script the page shows every file, plays every output, and links every source.
const find = document.getElementById("find");
if (find) {
  const cards = Array.from(document.querySelectorAll("details.card"), (card) => {
    const text = card.querySelector("summary").textContent.toLowerCase();
    return [card, text];
  });
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const [card, text] of cards) card.hidden = !text.includes(wanted);
  });
}

function addCopy(line) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(line.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(line.querySelector("code"));
      button.textContent = "Press Ctrl-C";
    }
  });
  line.append(" ", button);
}

// A card gets its buttons when it is opened: a page of 5,000 files needs no 15,000 of them.
function equip(card) {
  if (card.dataset.equipped) return;
  card.dataset.equipped = "yes";
  for (const player of card.querySelectorAll(".player")) {
    const poster = card.querySelector("summary img");
    const video = player.querySelector("video");
    if (poster && video) video.poster = poster.src;
    const after = player.querySelector("video, audio");
    if (player.dataset.before) addSwitch(player, [["Before", player.dataset.before], ["After", after.src]], 1);
  }
  for (const line of card.querySelectorAll(".command")) addCopy(line);
}
document.addEventListener("toggle", (event) => {
  if (event.target.open && event.target.classList.contains("card")) equip(event.target);
}, true);
for (const card of document.querySelectorAll("details.card[open]")) equip(card);
