// Finds files by a part of their name or by their state; without it the page shows all of them.
const find = document.getElementById("find");
if (find) {
  const cards = Array.from(document.querySelectorAll("details"), (card) => {
    const head = card.querySelector("summary");
    return [card, head.textContent.toLowerCase()];
  });
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const [card, text] of cards) card.hidden = !text.includes(wanted);
  });
}
