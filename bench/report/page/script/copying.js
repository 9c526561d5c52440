/** Buttons with `data-copy` copy the text of the element of that id. */
function enableCopying(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.addEventListener("click", async () => {
      button.textContent = (await copyText(byId(button.dataset.copy))) ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }
}

/** Whether the text is in the clipboard; it is selected, ready to be copied by hand, where the browser refuses. */
async function copyText(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return false;
  }
}
