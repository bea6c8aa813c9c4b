/* The text of a PDF, page by page. The library is large: it is loaded with the first PDF. */

export async function pdfText(file: Blob): Promise<string> {
    const [pdf, { default: PdfWorker }] = await Promise.all([
        import("pdfjs-dist"),
        import("pdfjs-dist/build/pdf.worker.min.mjs?worker"),
    ]);
    const port = new PdfWorker();
    pdf.GlobalWorkerOptions.workerPort = port;
    const task = pdf.getDocument({
        data: new Uint8Array(await file.arrayBuffer()),
        isEvalSupported: false,
        disableFontFace: true,
        /* Nothing is drawn: what is missing for that is no news for the console. */
        verbosity: pdf.VerbosityLevel.ERRORS,
    });
    try {
        const book = await task.promise;
        const pages: string[] = [];
        for (let number = 1; number <= book.numPages; number++) {
            const content = await (await book.getPage(number)).getTextContent();
            pages.push(pageText(content.items));
        }
        return pages
            .filter((page) => page !== "")
            .join("\n\n")
            .trim();
    } finally {
        await task.destroy();
        port.terminate();
    }
}

/* pageText joins the pieces of a page; those that end a line say so. */
export function pageText(items: readonly object[]): string {
    let text = "";
    for (const item of items) {
        if (!("str" in item)) continue;
        const { str, hasEOL } = item as { str: string; hasEOL?: boolean };
        text += hasEOL ? `${str}\n` : str;
    }
    return text.replace(/[ \t]+\n/g, "\n").trim();
}
