"""Substitute of Slicer's SampleData module: registered data sets, fetched into the cache."""

from __future__ import annotations

import shutil
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer


def _listed(value: Any, count: int, several: bool) -> list[Any]:
    if several and isinstance(value, (list, tuple)):
        return list(value)
    return [value] * count


@dataclass(init=False)
class SampleDataSource:
    """A data set of one or more files; all lists have one item for each URI."""

    sampleName: str | None
    sampleDescription: str | None
    uris: list[str]
    fileNames: list[str]
    nodeNames: list[str | None]
    checksums: list[str | None]
    loadFiles: list[bool | None]
    loadFileTypes: list[str | None]
    loadFileProperties: dict[str, Any]
    customDownloader: Callable | None
    thumbnailFileName: str | None

    def __init__(
        self,
        sampleName: str | None = None,
        sampleDescription: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        checksums: Any = None,
        loadFiles: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFileProperties: dict[str, Any] | None = None,
        loadFileType: Any = None,
    ):
        several = isinstance(uris, (list, tuple))
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription or sampleName
        self.uris = list(uris) if several else [uris]
        count = len(self.uris)
        self.fileNames = _listed(fileNames, count, several)
        self.nodeNames = _listed(nodeNames, count, several)
        self.checksums = _listed(checksums, count, several)
        self.loadFiles = _listed(loadFiles, count, several)
        self.loadFileTypes = _listed(loadFileTypes or loadFileType, count, several)
        self.loadFileProperties = loadFileProperties or {}
        self.customDownloader = customDownloader
        self.thumbnailFileName = thumbnailFileName
        for name in ("fileNames", "nodeNames", "checksums", "loadFiles", "loadFileTypes"):
            if len(getattr(self, name)) != count:
                raise ValueError(f"{name} must have {count} items, got {getattr(self, name)}")


class SampleDataLogic:
    """Registers and downloads data sets."""

    def __init__(self, logMessage: Callable | None = None):
        self._log = logMessage

    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None:
        """Make a category known, so that its data sets are shown under a title."""
        slicer.modules.sampleDataSources.setdefault(category, [])

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: Any = None,
        loadFileProperties: dict[str, Any] = {},  # noqa: B006
        checksums: Any = None,
        loadFileType: Any = None,
    ) -> None:
        """Register a data set in a category; the same one twice counts once."""
        source = SampleDataSource(
            sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            checksums=checksums,
            loadFiles=loadFiles,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes,
            loadFileProperties=loadFileProperties,
            loadFileType=loadFileType,
        )
        if not SampleDataLogic.isSampleDataSourceRegistered(category, source):
            slicer.modules.sampleDataSources.setdefault(category, []).append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:
        """All data sets of a category, or all categories."""
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    @staticmethod
    def isSampleDataSourceRegistered(category: str, sampleDataSource: SampleDataSource) -> bool:
        """Whether the data set is registered in the category."""
        return sampleDataSource in slicer.modules.sampleDataSources.get(category, [])

    def sourceForSampleName(self, sampleName: str) -> SampleDataSource | None:
        """The data set of a name, or None."""
        groups = slicer.modules.sampleDataSources.values()
        named = (item for group in groups for item in group if item.sampleName == sampleName)
        return next(named, None)

    def categoryForSource(self, a_source: SampleDataSource) -> str | None:
        """The category of a data set, or None."""
        groups = slicer.modules.sampleDataSources.items()
        return next((name for name, group in groups if a_source in group), None)

    def logMessage(self, message: str, logLevel: int = 10) -> None:
        """Pass a message on to the owner."""
        if self._log is not None:
            self._log(message, logLevel)

    def downloadFile(
        self,
        uri: str,
        destFolderPath: str,
        name: str,
        checksum: str | None = None,
        forceDownload: bool = False,
    ) -> str:
        """Fetch a file: URI. Raises ValueError where its checksum is wrong; nothing is left then.

        Tests stay off the network, so other schemes raise RuntimeError.
        """
        parsed = urllib.parse.urlparse(uri)
        if parsed.scheme != "file":
            raise RuntimeError(f"the host fetches file: URIs only, got {uri}")
        target = Path(destFolderPath) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(urllib.request.url2pathname(parsed.path), target)
        if checksum:
            algorithm, digest = slicer.util.extractAlgoAndDigest(checksum)
            found = slicer.util.computeChecksum(algorithm, str(target))
            if found != digest:
                target.unlink()
                raise ValueError(f"{uri}: checksum {found}, expected {digest}")
        return str(target)

    def downloadFileIntoCache(
        self, uri: str, name: str, checksum: str | None = None, forceDownload: bool = False
    ) -> str:
        """Fetch a file into the scene's cache folder."""
        folder = slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()
        return self.downloadFile(uri, folder, name, checksum, forceDownload)

    def downloadFromSource(
        self,
        source: SampleDataSource,
        maximumAttemptsCount: int = 3,
        forceDownload: bool = False,
    ) -> list[Any]:
        """Fetch a data set and load it; returns nodes, or paths of what is not loaded."""
        if source.customDownloader is not None:
            return source.customDownloader(source)
        results: list[Any] = []
        for index, uri in enumerate(source.uris):
            path = self.downloadFileIntoCache(
                uri, source.fileNames[index], source.checksums[index], forceDownload
            )
            if source.loadFiles[index] is False or source.nodeNames[index] is None:
                results.append(path)
                continue
            kind = source.loadFileTypes[index]
            properties = {**source.loadFileProperties, "name": source.nodeNames[index]}
            results.append(slicer.util.loadNodeFromFile(path, kind, properties))
        return results

    def downloadSample(self, sampleName: str) -> Any:
        """Fetch and load a data set by name; returns its first node."""
        return self.downloadSamples(sampleName)[0]

    def downloadSamples(self, sampleName: str) -> list[Any]:
        """Fetch and load a data set by name; empty where there is none of that name."""
        source = self.sourceForSampleName(sampleName)
        return self.downloadFromSource(source) if source is not None else []


def downloadSample(sampleName: str) -> Any:
    """Fetch and load a data set by name; returns its first node."""
    return SampleDataLogic().downloadSample(sampleName)


def downloadSamples(sampleName: str) -> list[Any]:
    """Fetch and load a data set by name; returns its nodes."""
    return SampleDataLogic().downloadSamples(sampleName)
