// A button copies what its `data-copy` names, and says so for a moment.
const SAID_MS = 1500;

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button || button.dataset.said) return;
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select and copy it"; // no permission, or a page that is not served securely
  }
  button.dataset.said = "1";
  setTimeout(() => {
    button.textContent = label;
    delete button.dataset.said;
  }, SAID_MS);
});
