/* Sets the theme before the first paint: a blocking script of its own, because the server's policy allows no
 * inline one. src/ui/theme.ts changes it later. */
(() => {
    let choice = "system";
    try {
        choice = localStorage.getItem("runnel.theme") || "system";
    } catch {
        /* Storage may be forbidden: the system's theme then. */
    }
    const dark =
        choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    const meta = document.querySelector('meta[name="theme-color"]');
    if (meta) meta.content = dark ? "#131718" : "#ffffff";
})();
